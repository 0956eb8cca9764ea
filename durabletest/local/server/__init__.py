"""The checkpoint server: the Lambda durable-execution API, served by one thread that owns all execution state."""
