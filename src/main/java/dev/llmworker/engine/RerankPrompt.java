package dev.llmworker.engine;

import dev.llmworker.text.Tokenizer;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// How Qwen3-Reranker is asked whether a document answers a query: by `yes` or `no`. Source: its model card.
///
/// Names of control tokens in the query and the document are plain text, so none can end its turn.
public final class RerankPrompt {
    private static final String YES = "yes";
    private static final String NO = "no";

    private static final String BEFORE = """
            <|im_start|>system
            Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the \
            answer can only be "yes" or "no".<|im_end|>
            <|im_start|>user
            """;
    private static final String AFTER = """
            <|im_end|>
            <|im_start|>assistant
            <think>

            </think>

            """;

    private RerankPrompt() {}

    /// What comes before the document. No tokenizer joins a colon and a space, so the two can be encoded apart.
    static int[] query(Tokenizer tokenizer, String instruction, String query) {
        var asked = "<Instruct>: " + instruction + "\n<Query>: " + query + "\n<Document>:";
        return joined(tokenizer.encodeWithControlTokens(BEFORE), tokenizer.encodeText(asked));
    }

    /// The document and what comes after it.
    static int[] document(Tokenizer tokenizer, String document) {
        return joined(tokenizer.encodeText(" " + document), tokenizer.encodeWithControlTokens(AFTER));
    }

    private static int[] joined(int[] first, int[] second) {
        return IntStream.concat(IntStream.of(first), IntStream.of(second)).toArray();
    }

    /// The tokens of yes and of no.
    ///
    /// @throws IllegalArgumentException if the model has not one token for each
    public static int[] answers(Tokenizer tokenizer) {
        return Stream.of(YES, NO)
                .flatMapToInt(word -> {
                    var ids = tokenizer.encodeText(word);
                    if (ids.length != 1) {
                        throw new IllegalArgumentException("TASK is rerank; the model has " + ids.length
                                + " tokens for \"" + word + "\", and a reranker has one");
                    }
                    return IntStream.of(ids);
                })
                .toArray();
    }
}
