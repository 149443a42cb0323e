"""Contents of files in storage that speaks the protocol of Amazon S3."""
