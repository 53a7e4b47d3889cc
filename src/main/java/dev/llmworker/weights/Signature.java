package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;

/// Recognises a GGUF file by its first bytes, and other kinds of files that are often found in its place.
final class Signature {
    private static final String GGUF = "GGUF";
    private static final String SAFETENSORS = "it looks like a safetensors file";
    private static final int LONGEST_BYTES = 64;

    private Signature() {}

    static void check(Path file, MemorySegment mapping) throws ModelFileException {
        if (mapping.byteSize() < GGUF.length()) {
            throw new ModelFileException(
                    file, "is not a GGUF file: it has " + mapping.byteSize() + " bytes, and the signature takes 4");
        }
        var start = start(mapping);
        if (!start.startsWith(GGUF)) {
            throw new ModelFileException(
                    file, "is not a GGUF file: " + kind(start).orElseGet(() -> firstBytes(start)));
        }
    }

    /// Rejects a file that is known not to be a safetensors file. Safetensors files have no signature.
    static void refuseForSafetensors(Path file, MemorySegment mapping) throws ModelFileException {
        var start = start(mapping);
        var kind = start.startsWith(GGUF) ? Optional.of("it is a GGUF file") : kind(start);
        if (kind.isPresent() && !kind.get().equals(SAFETENSORS)) {
            throw new ModelFileException(file, "is not a safetensors file: " + kind.get());
        }
    }

    private static String start(MemorySegment mapping) {
        var bytes =
                mapping.asSlice(0, Math.min(LONGEST_BYTES, mapping.byteSize())).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private static Optional<String> kind(String start) {
        if (start.startsWith("version https://git-lfs")) {
            return Optional.of("it is a Git LFS pointer; `git lfs pull` fetches the file itself");
        }
        if (start.startsWith("PK\3\4")) {
            return Optional.of("it is a ZIP archive, like PyTorch's checkpoints");
        }
        if (start.toLowerCase(Locale.ROOT).matches("\\s*<(!doctype|html)[\\s\\S]*")) {
            return Optional.of("it is a web page");
        }
        return start.startsWith("{\"", Long.BYTES) ? Optional.of(SAFETENSORS) : Optional.empty();
    }

    private static String firstBytes(String start) {
        var first = start.substring(0, GGUF.length()).getBytes(StandardCharsets.ISO_8859_1);
        return "it starts with the bytes " + HexFormat.ofDelimiter(" ").formatHex(first) + "; expected 47 47 55 46";
    }
}
