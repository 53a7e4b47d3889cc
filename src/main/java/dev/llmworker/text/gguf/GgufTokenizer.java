package dev.llmworker.text.gguf;

import dev.llmworker.text.FewestTokens;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.ModelTokenizer.Ends;
import dev.llmworker.text.ModelTokenizer.Spelling;
import dev.llmworker.text.TextPieces;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.text.gguf.PreTokenizer.Rule;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/// Makes the tokenizer that a GGUF file's metadata describe.
public final class GgufTokenizer {
    private static final String BEGIN = "bos_token";
    private static final String END = "eos_token";
    /// GGUF's number of that pooling.
    private static final int POOLED_LAST = 3;

    /// The keys of special tokens, by what chat templates call them.
    private static final Map<String, String> SPECIAL = Map.of(
            BEGIN,
            "tokenizer.ggml.bos_token_id",
            END,
            "tokenizer.ggml.eos_token_id",
            "unk_token",
            "tokenizer.ggml.unknown_token_id",
            "sep_token",
            "tokenizer.ggml.seperator_token_id",
            "pad_token",
            "tokenizer.ggml.padding_token_id",
            "cls_token",
            "tokenizer.ggml.cls_token_id",
            "mask_token",
            "tokenizer.ggml.mask_token_id");
    /// llama.cpp's ids for SentencePiece files that do not say.
    private static final Map<String, Integer> SENTENCE_PIECE_IDS = Map.of("unk_token", 0, BEGIN, 1, END, 2);

    private GgufTokenizer() {}

    /// @throws ModelFileException if the metadata contradict themselves, or describe an unsupported tokenizer.
    ///     Supported: `tokenizer.ggml.model` gemma4, llama, and gpt2 with the `tokenizer.ggml.pre` of
    ///     [PreTokenizer]
    public static ModelTokenizer of(Metadata metadata) throws IOException {
        return of(metadata, TextPieces.LEAST);
    }

    static ModelTokenizer of(Metadata metadata, int leastPiece) throws IOException {
        var vocabulary = Vocabulary.of(metadata);
        var model = metadata.string("tokenizer.ggml.model");
        return switch (model) {
            case "gpt2" -> pairMerging(metadata, vocabulary, PreTokenizer.of(metadata), leastPiece);
            case "gemma4" -> pairMerging(metadata, vocabulary, PreTokenizer.GEMMA4, leastPiece);
            case "llama" -> {
                var addsLeadingSpace = metadata.flag("tokenizer.ggml.add_space_prefix", true);
                var stripping = stripping(metadata, vocabulary);
                yield new ModelTokenizer(
                        vocabulary,
                        Spelling.SENTENCE_PIECE,
                        new SentencePieceEncoder(metadata, vocabulary, stripping, addsLeadingSpace),
                        ends(metadata, vocabulary, true, SENTENCE_PIECE_IDS),
                        addsLeadingSpace,
                        stripping.isEmpty() ? FewestTokens.Covering.SPACED : null);
            }
            default ->
                throw metadata.problem("tokenizer.ggml.model", "is " + model + "; supported: gemma4, gpt2, llama");
        };
    }

    /// A tokenizer of byte pair encoding: it merges the pairs that the file lists.
    private static ModelTokenizer pairMerging(
            Metadata metadata, Vocabulary vocabulary, PreTokenizer preTokenizer, int leastPiece) throws IOException {
        var isSpelledInPieces = preTokenizer.has(Rule.PIECES);
        var covering = preTokenizer.has(Rule.COMPOSED)
                ? FewestTokens.Covering.COMPOSED
                : isSpelledInPieces ? FewestTokens.Covering.SPACED : FewestTokens.Covering.AS_IT_IS;
        return new ModelTokenizer(
                vocabulary,
                isSpelledInPieces ? Spelling.SENTENCE_PIECE : Spelling.BYTE_LEVEL,
                BpeEncoder.of(metadata, vocabulary, preTokenizer, leastPiece),
                ends(metadata, vocabulary, preTokenizer.has(Rule.BEGINS), Map.of()),
                false,
                covering);
    }

    private static Ends ends(
            Metadata metadata, Vocabulary vocabulary, boolean beginsUnlessSaid, Map<String, Integer> usual)
            throws ModelFileException {
        var names = new LinkedHashMap<String, Object>();
        var ids = new HashMap<String, OptionalInt>();
        for (var token : SPECIAL.entrySet()) {
            var id = special(metadata, vocabulary, token.getKey(), token.getValue());
            if (id.isEmpty() && usual.getOrDefault(token.getKey(), vocabulary.size()) < vocabulary.size()) {
                id = OptionalInt.of(usual.getOrDefault(token.getKey(), 0));
            }
            ids.put(token.getKey(), id);
            id.ifPresent(present -> names.put(token.getKey(), vocabulary.name(present)));
        }
        // llama.cpp gives templates these two in any case.
        names.putIfAbsent(BEGIN, "");
        names.putIfAbsent(END, "");
        var begin = ids.getOrDefault(BEGIN, OptionalInt.empty());
        var end = ids.getOrDefault(END, OptionalInt.empty());
        var begins = metadata.flag("tokenizer.ggml.add_bos_token", beginsUnlessSaid);
        if (begins && begin.isEmpty()) {
            throw new ModelFileException(
                    metadata.file(), "prompts begin with a token, but tokenizer.ggml.bos_token_id is missing");
        }
        if (!metadata.has("tokenizer.ggml.add_eos_token") && poolsLast(metadata)) {
            return new Ends(begin, endOfText(vocabulary, end), begins, true, names);
        }
        return new Ends(begin, end, begins, metadata.flag("tokenizer.ggml.add_eos_token", false), names);
    }

    /// The token that ends the texts of an embedding model whose file does not name it. Files of Qwen3-Embedding from
    /// before June 2025 name the end of a chat's turn, with which the model was not trained.
    private static OptionalInt endOfText(Vocabulary vocabulary, OptionalInt end) {
        var endsTurn = end.isPresent() && vocabulary.name(end.getAsInt()).equals("<|im_end|>");
        var endOfText = vocabulary.named(Kind.CONTROL).get("<|endoftext|>");
        return endsTurn && endOfText != null ? OptionalInt.of(endOfText) : end;
    }

    /// Whether the model makes embeddings of what it has after the last token. It is trained with one that ends the
    /// text. Older files do not say so, and llama.cpp then leaves it out with a warning.
    private static boolean poolsLast(Metadata metadata) throws ModelFileException {
        var architecture = metadata.string("general.architecture", "");
        var key = architecture + ".pooling_type";
        if (metadata.has(key)) {
            return metadata.integer(key) == POOLED_LAST;
        }
        // The oldest ones do not even say how they pool. They serve embeddings with TASK=embed.
        return architecture.equals("qwen3") && name(metadata).contains("embedding");
    }

    private static String name(Metadata metadata) {
        return metadata.shown("general.name", "").toLowerCase(Locale.ROOT);
    }

    private static OptionalInt special(Metadata metadata, Vocabulary vocabulary, String name, String key)
            throws ModelFileException {
        if (name.equals(BEGIN) || name.equals(END)) {
            return Vocabulary.special(metadata, key, vocabulary.size());
        }
        // Only templates use the others. Many files have -1 for one that does not exist.
        var id = metadata.has(key) ? metadata.integer(key) : -1;
        return id >= 0 && id < vocabulary.size() ? OptionalInt.of(id) : OptionalInt.empty();
    }

    /// The tokens that take the white space after them. The format has no place for this; as in llama.cpp, the model's
    /// name tells.
    private static BitSet stripping(Metadata metadata, Vocabulary vocabulary) throws ModelFileException {
        var stripping = new BitSet();
        var name = name(metadata);
        if (name.contains("phi-3") || name.contains("phi3")) {
            vocabulary
                    .named(Kind.CONTROL, Kind.UNKNOWN, Kind.USER_DEFINED)
                    .forEach((token, id) -> stripping.set(
                            id, !Set.of("<unk>", "<s>", "<|endoftext|>").contains(token)));
        }
        return stripping;
    }
}
