"""Other people's logs become runs that every command accepts."""
