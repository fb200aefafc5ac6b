"""What tests of the Kappa layer share."""
