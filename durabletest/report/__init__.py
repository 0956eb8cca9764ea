"""Tables for people: what ``print`` writes and what failure messages end with."""
