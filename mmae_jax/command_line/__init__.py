"""What all commands share: arguments, configs and overrides, messages, exit codes."""
