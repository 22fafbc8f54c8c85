"""What answers are worth: metrics, late policies, and quality at every deadline at once."""
