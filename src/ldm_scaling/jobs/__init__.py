"""What every command shares: command lines, work folders, arrays and tables on disk, seeds."""
