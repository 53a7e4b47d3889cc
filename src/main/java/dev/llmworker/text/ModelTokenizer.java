package dev.llmworker.text;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The tokenizer that comes with a model.
///
/// Threading: any thread.
public final class ModelTokenizer implements Tokenizer {
    private static final byte[] NO_BYTES = {};

    /// How token names write bytes.
    public enum Spelling {
        BYTE_LEVEL,
        SENTENCE_PIECE
    }

    /// The tokens at the beginning and end of a sequence.
    ///
    /// @param begin the begin-of-sequence token
    /// @param end the end-of-sequence token
    /// @param begins whether `begin` goes before each prompt
    /// @param ends whether `end` goes after each raw prompt
    /// @param names of all special tokens, by what chat templates call them, such as `bos_token`
    public record Ends(OptionalInt begin, OptionalInt end, boolean begins, boolean ends, Map<String, Object> names) {}

    private final Vocabulary vocabulary;
    private final Spelling spelling;
    private final TextEncoder encoder;
    private final NameGuard guard;
    private final Ends ends;
    private final boolean addsLeadingSpace;
    private final FewestTokens.@Nullable Covering covering;
    private @Nullable FewestTokens fewest;

    /// @param addsLeadingSpace whether the encoder puts a space before each text
    /// @param covering how tokens cover a text; null if a byte may be in no token
    public ModelTokenizer(
            Vocabulary vocabulary,
            Spelling spelling,
            TextEncoder encoder,
            Ends ends,
            boolean addsLeadingSpace,
            FewestTokens.@Nullable Covering covering) {
        this.vocabulary = vocabulary;
        this.spelling = spelling;
        this.encoder = encoder;
        this.guard = new NameGuard(new TokenNames(vocabulary.controlTokens()));
        this.ends = ends;
        this.addsLeadingSpace = addsLeadingSpace;
        this.covering = covering;
    }

    @Override
    public int[] encodeText(String text) {
        return encoder.encode(guard.plain(encodable(text)));
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return encoder.encodeTrusted(encodable(text));
    }

    @Override
    public int[] encodeMarked(String text, char mark) {
        return encoder.encode(guard.marked(encodable(text), mark));
    }

    @Override
    public int fewestTokens(String text) {
        return covering == null ? 0 : fewest(covering).of(encodable(text));
    }

    /// Made for the first long text: it reads all tokens, which would slow down the start.
    private synchronized FewestTokens fewest(FewestTokens.Covering covering) {
        if (fewest == null) {
            fewest = new FewestTokens(
                    IntStream.range(0, vocabulary.size()).mapToObj(this::bytes).toList(), covering);
        }
        return fewest;
    }

    private static String encodable(String text) {
        return WholeCharacters.wellFormed(text);
    }

    @Override
    public byte[] bytes(int id) {
        var name = vocabulary.name(id);
        return switch (vocabulary.kind(id)) {
            case CONTROL, UNKNOWN -> NO_BYTES;
            case USER_DEFINED -> name.getBytes(StandardCharsets.UTF_8);
            case BYTE, UNDEFINED, NORMAL, UNUSED ->
                switch (spelling) {
                    case BYTE_LEVEL -> ByteAlphabet.bytes(name);
                    case SENTENCE_PIECE -> sentencePieceBytes(id, name);
                };
        };
    }

    /// A byte token has a name such as `<0x0A>`. Elsewhere `▁` stands for a space.
    private byte[] sentencePieceBytes(int id, String name) {
        return vocabulary.kind(id) == Vocabulary.Kind.BYTE
                ? new byte[] {(byte) Integer.parseInt(name, 3, 5, 16)}
                : name.replace('▁', ' ').getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public boolean isEndOfSequence(int id) {
        return vocabulary.isEndOfSequence(id);
    }

    @Override
    public int vocabularySize() {
        return vocabulary.size();
    }

    @Override
    public OptionalInt beginOfSequence() {
        return ends.begins() ? ends.begin() : OptionalInt.empty();
    }

    @Override
    public OptionalInt endOfRawPrompt() {
        return ends.ends() ? ends.end() : OptionalInt.empty();
    }

    @Override
    public Map<String, Integer> controlTokens() {
        return vocabulary.controlTokens();
    }

    @Override
    public boolean addsLeadingSpace() {
        return addsLeadingSpace;
    }

    /// The names of the special tokens, by what chat templates call them, such as `bos_token`. A few values are lists
    /// of names.
    public Map<String, Object> specialTokens() {
        return ends.names();
    }

    /// The names of control tokens for which the model has no embedding. They are plain text.
    public Set<String> unusable() {
        return vocabulary.unusable();
    }
}
