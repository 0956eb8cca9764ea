"""The documents: what they show runs, what they promise exists, and what they picture is up to date."""
