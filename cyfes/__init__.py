"""cyfes: free energy surfaces from enhanced-sampling data."""
