package dev.llmworker.weights;

import java.util.List;

/// The part of a GGUF file before the tensors' data.
///
/// @param end the first byte after the header, before padding
record Header(Metadata metadata, List<Entry> tensors, long end) {
    /// A tensor as the file declares it.
    ///
    /// @param shape 1 to 4 sizes, each at least 1, columns first
    /// @param offset bytes from the start of the data; unchecked
    record Entry(String name, TensorType type, long[] shape, long offset) {}
}
