"""The command line: does a suite do the same locally and in the cloud?"""
