"""What each way to run a kernel costs, measured: `guestkit bench`."""
