"""From a user's file to the images of each sensor: where they are, when they were taken, and what is said of them."""
