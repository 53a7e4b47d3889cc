package dev.llmworker.text;

import static ai.djl.huggingface.tokenizers.jni.TokenizersLibrary.LIB;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// The Hugging Face tokenizers, called through DJL's native methods. DJL's own class also fetches words, offsets
/// and masks for each text, which takes twice as long.
///
/// The JSON has control tokens as added tokens only, not in its vocabulary: so no text can become one except by its
/// name. The library gives added tokens that the vocabulary lacks the ids after the highest one. That one is
/// [#START]. Here these ids become the model's.
public final class HuggingFaceEncoder implements TextEncoder {
    /// The name of a token that comes before the control tokens. No text contains it.
    public static final String START = "start " + Long.toHexString(new Random().nextLong());
    /// Stands for the unknown token in a vocabulary. No text contains it.
    public static final String UNKNOWN = "unknown " + Long.toHexString(new Random().nextLong());
    /// The id of [#START]: higher than those of all models.
    public static final int START_ID = 1 << 21;
    /// The expression by which the byte-level step splits a text.
    public static final String BYTE_LEVEL_REGEX =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    /// The steps of a normalizer that remove what a [NameGuard] put in.
    public static final List<String> UNGUARDING = List.of(
            replacing("" + NameGuard.BREAK, ""),
            replacing("" + NameGuard.ESCAPE + NameGuard.ESCAPED_BREAK, "" + NameGuard.BREAK),
            replacing("" + NameGuard.ESCAPE + NameGuard.ESCAPED_ESCAPE, "" + NameGuard.ESCAPE));

    private static final String SMALLEST =
            "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}";
    private static final Cleaner CLEANER = Cleaner.create();
    /// Has each byte that UTF-8 can have, and characters that hardly any vocabulary has.
    private static final String PROBE = probe();

    private final long handle;
    private final Path file;
    private final int[] further;
    private final TextPieces pieces;

    /// @param json a `tokenizer.json`; [#START] and the tokens that its vocabulary lacks are its last added tokens
    /// @param further the ids of these tokens in this order
    /// @param pieces how this tokenizer's texts may be cut
    /// @param file the file it was made from, for messages
    /// @param problem the message's text if the tokenizer rejects it
    public HuggingFaceEncoder(String json, int[] further, TextPieces pieces, Path file, String problem)
            throws IOException {
        // Loaded separately, so that a failure to load the native library is not blamed on the file.
        LibUtils.checkStatus();
        this.further = further;
        this.file = file;
        this.pieces = pieces;
        try {
            handle = LIB.createTokenizerFromString(json);
            CLEANER.register(this, new Deletion(handle));
            LIB.disableTruncation(handle);
            LIB.disablePadding(handle);
            // Some contradictions only show when a text is encoded.
            ids(PROBE);
        } catch (RuntimeException e) {
            throw failure(problem + ": ", e);
        }
    }

    /// Loads the library and makes the calls of a tokenizer once, so that later calls are fast.
    public static void link() throws IOException {
        var none = Path.of("none");
        var pieces = TextPieces.whole(List.of(), none);
        new HuggingFaceEncoder(SMALLEST, new int[0], pieces, none, "the smallest tokenizer").encode("a");
    }

    /// The name by which a tokenizer of guarded texts looks for a control token.
    public static String guardedName(String name, int id) {
        return NameGuard.canBreak(name) ? name : START + id;
    }

    /// The step of a normalizer that replaces a text.
    public static String replacing(String text, String by) {
        return "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" + text + "\"},\"content\":\"" + by + "\"}";
    }

    private static String probe() {
        var probe = new StringBuilder("Hello, Wörld! 123\n");
        for (var character = 0; character < 0x800; character++) {
            probe.appendCodePoint(character);
        }
        for (var lead = 0x800; lead < 0x10000; lead += 0x1000) {
            probe.appendCodePoint(lead);
        }
        for (var lead = 0x1FFFD; lead <= 0x10FFFD; lead += 0x10000) {
            probe.appendCodePoint(lead);
        }
        return probe.toString();
    }

    /// @throws IllegalArgumentException if a piece of the text is too long to be encoded in one call, or for the
    ///     tokenizer's regular expressions
    /// @throws UncheckedIOException with a [ModelFileException] if the tokenizer fails at this text
    @Override
    public int[] encode(String guarded) {
        var ends = pieces.ends(guarded);
        if (ends.length == 1) {
            return checkedIds(guarded);
        }
        var ids = IntStream.builder();
        var from = 0;
        for (var end : ends) {
            TextEncoder.stopIfInterrupted();
            for (var id : checkedIds(pieces.piece(guarded, from, end))) {
                ids.add(id);
            }
            from = end;
        }
        return ids.build().toArray();
    }

    private int[] checkedIds(String piece) {
        pieces.check(piece);
        try {
            return ids(piece);
        } catch (RuntimeException e) {
            throw new UncheckedIOException(failure("makes a tokenizer that fails at a text: ", e));
        }
    }

    private int[] ids(String text) {
        try {
            var encoding = LIB.encode(handle, text, false);
            try {
                var encoded = LIB.getTokenIds(encoding);
                var ids = new int[encoded.length];
                for (var i = 0; i < ids.length; i++) {
                    var id = Math.toIntExact(encoded[i]);
                    ids[i] = id > START_ID ? further[id - START_ID - 1] : id;
                }
                return ids;
            } finally {
                LIB.deleteEncoding(encoding);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private ModelFileException failure(String problem, RuntimeException e) {
        var failure = new ModelFileException(file, problem + e.getMessage());
        failure.initCause(e);
        return failure;
    }

    /// Must not refer to the encoder: the encoder would then never be collected.
    private record Deletion(long handle) implements Runnable {
        @Override
        public void run() {
            LIB.deleteTokenizer(handle);
        }
    }
}
