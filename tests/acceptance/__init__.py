"""One behavioural test for each acceptance criterion, with the criterion's number in its name."""
