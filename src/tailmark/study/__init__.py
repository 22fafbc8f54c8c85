"""What measures and analyses."""
