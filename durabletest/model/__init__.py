"""The model of an execution: its history read into operations, and the objects through which tests see them."""
