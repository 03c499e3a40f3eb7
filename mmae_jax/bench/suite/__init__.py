"""`bench suite`: all that is to be measured on an accelerator, in order of importance."""
