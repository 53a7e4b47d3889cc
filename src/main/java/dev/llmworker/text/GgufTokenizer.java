package dev.llmworker.text;

import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// The tokenizer that a GGUF file's metadata describe.
///
/// Threading: any thread.
public final class GgufTokenizer implements Tokenizer {
    private static final Pattern LONE_SURROGATE = Pattern.compile("\\p{Cs}");
    private static final byte[] NO_BYTES = {};

    /// How bytes are written in the names of tokens.
    private enum Spelling {
        BYTE_LEVEL,
        SENTENCE_PIECE
    }

    private final Vocabulary vocabulary;
    private final Spelling spelling;
    private final TextEncoder encoder;
    private final TokenNames controlNames;
    private final OptionalInt namedBegin;
    private final OptionalInt namedEnd;
    private final boolean begins;
    private final boolean addsLeadingSpace;

    /// @throws ModelFileException if the metadata contradict themselves, or describe a tokenizer that is not supported;
    ///     those that are: `tokenizer.ggml.model` gpt2 with the `tokenizer.ggml.pre` of [PreTokenizer], and llama
    public GgufTokenizer(Metadata metadata) throws IOException {
        vocabulary = new Vocabulary(metadata);
        controlNames = new TokenNames(vocabulary.controlTokens());
        namedBegin = Vocabulary.special(metadata, "tokenizer.ggml.bos_token_id", vocabulary.size());
        namedEnd = Vocabulary.special(metadata, "tokenizer.ggml.eos_token_id", vocabulary.size());
        boolean beginsUnlessSaid;
        var model = metadata.string("tokenizer.ggml.model");
        switch (model) {
            case "gpt2" -> {
                var preTokenizer = PreTokenizer.of(metadata);
                spelling = Spelling.BYTE_LEVEL;
                encoder = new ByteLevelEncoder(metadata, vocabulary, preTokenizer);
                addsLeadingSpace = false;
                beginsUnlessSaid = preTokenizer.beginsSequences();
            }
            case "llama" -> {
                spelling = Spelling.SENTENCE_PIECE;
                addsLeadingSpace = metadata.flag("tokenizer.ggml.add_space_prefix", true);
                encoder = new SentencePieceEncoder(metadata, vocabulary, addsLeadingSpace);
                beginsUnlessSaid = true;
            }
            default ->
                throw new ModelFileException(
                        metadata.file(), "tokenizer.ggml.model is " + model + "; supported: gpt2, llama");
        }
        begins = metadata.flag("tokenizer.ggml.add_bos_token", beginsUnlessSaid);
        if (begins && namedBegin.isEmpty()) {
            throw new ModelFileException(
                    metadata.file(), "prompts begin with a token, but tokenizer.ggml.bos_token_id is missing");
        }
    }

    @Override
    public int[] encodeText(String text) {
        return encoder.encode(LONE_SURROGATE.matcher(text).replaceAll("\uFFFD"));
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        var ids = IntStream.builder();
        var from = 0;
        while (from < text.length()) {
            var match = controlNames.find(text, from);
            var end = match == null ? text.length() : match.start();
            if (end > from) {
                IntStream.of(encodeText(text.substring(from, end))).forEach(ids);
            }
            if (match != null) {
                ids.add(match.id());
            }
            from = match == null ? end : match.end();
        }
        return ids.build().toArray();
    }

    @Override
    public byte[] bytes(int id) {
        var name = vocabulary.name(id);
        return switch (vocabulary.kind(id)) {
            case CONTROL, UNKNOWN -> NO_BYTES;
            case USER_DEFINED -> name.getBytes(StandardCharsets.UTF_8);
            case BYTE ->
                switch (spelling) {
                    case BYTE_LEVEL -> ByteAlphabet.bytes(name);
                    case SENTENCE_PIECE -> SentencePieceEncoder.byteOf(name);
                };
            case UNDEFINED, NORMAL, UNUSED ->
                switch (spelling) {
                    case BYTE_LEVEL -> ByteAlphabet.bytes(name);
                    case SENTENCE_PIECE -> SentencePieceEncoder.bytes(name);
                };
        };
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
        return begins ? namedBegin : OptionalInt.empty();
    }

    @Override
    public Map<String, Integer> controlTokens() {
        return vocabulary.controlTokens();
    }

    @Override
    public boolean addsLeadingSpace() {
        return addsLeadingSpace;
    }

    /// The name of the begin-of-sequence token, which chat templates know as `bos_token`; empty if the model has none.
    public String beginOfSequenceName() {
        return namedBegin.isPresent() ? vocabulary.name(namedBegin.getAsInt()) : "";
    }

    /// As [#beginOfSequenceName()] for `eos_token`.
    public String endOfSequenceName() {
        return namedEnd.isPresent() ? vocabulary.name(namedEnd.getAsInt()) : "";
    }
}
