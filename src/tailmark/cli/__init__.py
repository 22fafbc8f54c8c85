"""The commands: one a file, each one library call and its printing."""
