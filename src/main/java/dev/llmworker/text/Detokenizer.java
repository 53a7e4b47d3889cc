package dev.llmworker.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Turns generated tokens into text as they come, whole characters only: the bytes of one character are often spread
/// over several tokens. Bytes that no character has become U+FFFD at once. All that `push` and `flush` return, joined,
/// is what decoding all bytes at once gives.
///
/// Threading: one thread at a time.
public final class Detokenizer {
    private final Tokenizer tokenizer;
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    /// The first bytes of a character whose others are to come, 3 at most.
    private byte[] unfinished = {};
    private boolean dropsSpace;

    /// For an answer: where the model's tokenizer puts a space before each text, the one before this is dropped.
    public Detokenizer(Tokenizer tokenizer) {
        this(tokenizer, tokenizer.addsLeadingSpace());
    }

    private Detokenizer(Tokenizer tokenizer, boolean dropsSpace) {
        this.tokenizer = tokenizer;
        this.dropsSpace = dropsSpace;
    }

    /// For text that goes on where a raw prompt ended: a space that it starts with belongs to it.
    public static Detokenizer continuing(Tokenizer tokenizer) {
        return new Detokenizer(tokenizer, false);
    }

    /// What the token adds to the text; empty while its character is incomplete.
    public String push(int id) {
        var bytes = tokenizer.bytes(id);
        if (bytes.length == 0) {
            return "";
        }
        var from = dropsSpace && bytes[0] == ' ' ? 1 : 0;
        dropsSpace = false;
        var input = ByteBuffer.allocate(unfinished.length + bytes.length - from);
        input.put(unfinished).put(bytes, from, bytes.length - from).flip();
        // A byte makes one character at most.
        var output = CharBuffer.allocate(input.remaining());
        decoder.reset().decode(input, output, false);
        unfinished = Arrays.copyOfRange(input.array(), input.position(), input.limit());
        return output.flip().toString();
    }

    /// What is left at the end: U+FFFD if the text ends within a character. It shows that something is cut off, as the
    /// models' own decoders do, and keeps the text the same as if it had been decoded in one go.
    public String flush() {
        var rest = unfinished.length == 0 ? "" : "\uFFFD";
        unfinished = new byte[0];
        return rest;
    }
}
