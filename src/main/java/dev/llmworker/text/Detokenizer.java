package dev.llmworker.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Turns generated tokens into text as they come, whole characters only, because a character's bytes may be
/// spread over several tokens. Invalid bytes become U+FFFD at once. A text that ends within a character ends before it.
/// Up to there the joined pieces equal decoding all bytes in one go.
///
/// Threading: one thread at a time.
public final class Detokenizer {
    private final Tokenizer tokenizer;
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    /// The first bytes of an incomplete character, at most 3.
    private byte[] unfinished = {};
    private boolean dropsSpace;

    /// For an answer. If the model's tokenizer puts a space before each text, that space is dropped.
    public Detokenizer(Tokenizer tokenizer) {
        this(tokenizer, tokenizer.addsLeadingSpace());
    }

    private Detokenizer(Tokenizer tokenizer, boolean dropsSpace) {
        this.tokenizer = tokenizer;
        this.dropsSpace = dropsSpace;
    }

    /// For the continuation of a raw prompt. A space at its start belongs to the text.
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
        // A byte makes at most one character.
        var output = CharBuffer.allocate(input.remaining());
        decoder.reset().decode(input, output, false);
        unfinished = Arrays.copyOfRange(input.array(), input.position(), input.limit());
        return output.flip().toString();
    }
}
