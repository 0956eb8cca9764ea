"""What happened: history events folded into operations, and the objects through which tests read them."""
