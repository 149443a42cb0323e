"""What the transcoding bench is built of: processes whose CPU is counted, and a client whose CPU is not."""
