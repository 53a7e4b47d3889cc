package dev.llmworker.weights.content;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// The numbers of a tensor in a form that no [TensorType] has. They are written in the tensor's type when a program
/// takes them.
public interface Packed {
    /// What they take in the files, in bytes.
    long storedBytes();

    /// One of the equal parts along the tensor's last dimension.
    Packed part(int index, long parts);

    /// Writes all of them in the tensor's type. Several threads may write to the segment.
    void write(MemorySegment to);

    /// The first number that is not finite: `has a scale of NaN in row 3`.
    Optional<String> problem();
}
