"""What the monitor costs and how exact it is, beside the limit of the hardware and other tools."""
