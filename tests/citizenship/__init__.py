"""``DurableTestCase`` as one test case class among others, under unittest and under pytest."""
