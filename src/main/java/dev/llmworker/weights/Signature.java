package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Locale;

/// Tells a GGUF file by its first bytes, and what else is often found under a model's name.
final class Signature {
    private static final String GGUF = "GGUF";
    private static final int LONGEST_BYTES = 64;

    private Signature() {}

    static void check(Path file, MemorySegment mapping) throws ModelFileException {
        if (mapping.byteSize() < GGUF.length()) {
            throw new ModelFileException(
                    file, "is not a GGUF file: it has " + mapping.byteSize() + " bytes, and the signature takes 4");
        }
        var bytes =
                mapping.asSlice(0, Math.min(LONGEST_BYTES, mapping.byteSize())).toArray(ValueLayout.JAVA_BYTE);
        var start = new String(bytes, StandardCharsets.ISO_8859_1);
        if (!start.startsWith(GGUF)) {
            throw new ModelFileException(file, "is not a GGUF file: " + kind(start));
        }
    }

    private static String kind(String start) {
        if (start.startsWith("version https://git-lfs")) {
            return "it is a Git LFS pointer to one; `git lfs pull` fetches the file itself";
        }
        if (start.startsWith("PK\3\4")) {
            return "it is a ZIP archive, as PyTorch's checkpoints are";
        }
        if (start.toLowerCase(Locale.ROOT).matches("\\s*<(!doctype|html)[\\s\\S]*")) {
            return "it is a web page";
        }
        if (start.startsWith("{\"", Long.BYTES)) {
            return "it looks like a safetensors file";
        }
        var first = start.substring(0, GGUF.length()).getBytes(StandardCharsets.ISO_8859_1);
        return "it starts with the bytes " + HexFormat.ofDelimiter(" ").formatHex(first) + "; expected 47 47 55 46";
    }
}
