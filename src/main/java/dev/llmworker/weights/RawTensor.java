package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// A part of a quantised matrix, of a type that no other tensor has.
///
/// @param type as safetensors names it: `I32`
/// @param shape rows first
/// @param data as many bytes as type and shape take
record RawTensor(Path file, String name, String type, List<Long> shape, MemorySegment data) {
    /// The bytes of an element of each type.
    static final Map<String, Integer> BYTES = Map.of("I64", 8, "I32", 4, "I8", 1, "U8", 1, "F8_E4M3", 1);

    /// @param problem what is wrong with the tensor
    ModelFileException problem(String problem) {
        return new ModelFileException(file, "tensor " + name + " " + problem);
    }
}
