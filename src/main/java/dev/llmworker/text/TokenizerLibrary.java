package dev.llmworker.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// The native library of the Hugging Face tokenizers.
///
/// Threading: any thread.
public final class TokenizerLibrary {
    private static final String SMALLEST =
            "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}";

    private TokenizerLibrary() {}

    static void load() {
        LibUtils.checkStatus();
    }

    /// Loads the library and makes the calls of a tokenizer once, so that later calls are fast.
    public static void link() throws IOException {
        load();
        var none = Path.of("none");
        var pieces = TextPieces.whole(List.of(), none);
        new HuggingFaceEncoder(SMALLEST, new int[0], pieces, none, "the smallest tokenizer").encode("a");
    }
}
