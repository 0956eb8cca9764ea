"""Reports about an execution: operation table, timeline, and the report that failure messages end with."""
