"""What has been tried, and which process runs it: the study folder and its trials."""
