//! The gate before real MinIO.
