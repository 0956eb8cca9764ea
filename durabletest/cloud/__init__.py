"""Execution in the cloud: the runner that invokes deployed functions, and the poller that follows their histories."""
