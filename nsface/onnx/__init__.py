"""Networks in ONNX files: read, run in batches by ONNX Runtime, and written (needs the extra `onnx`)."""
