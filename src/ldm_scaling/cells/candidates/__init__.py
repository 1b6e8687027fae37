"""Methods that make candidates of a prompt: a module each. They know no table and no figure."""
