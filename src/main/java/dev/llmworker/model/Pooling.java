package dev.llmworker.model;

import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.util.List;
import java.util.Optional;

/// How a model makes one vector of a text.
///
/// @param mean whether it is the mean of all tokens; otherwise it is that of the last token
/// @param scored tokens whose logits are the vector: yes, then no; empty for an embedding
public record Pooling(boolean mean, List<Integer> scored) {
    public Pooling {
        scored = List.copyOf(scored);
    }

    /// What a model's files say that its vectors are.
    public enum Kind {
        MEAN,
        LAST,
        /// Scores of documents.
        RANK
    }

    /// What the files say; empty if the model makes no vectors, or if they do not say so.
    ///
    /// @throws ModelFileException if it is of a kind that is not supported
    public static Optional<Kind> kind(StoredModel model) throws ModelFileException {
        var metadata = model.metadata();
        var key = metadata.string("general.architecture") + ".pooling_type";
        var type = metadata.integer(key, 0);
        return switch (type) {
            case 0 -> Optional.empty();
            case 1 -> Optional.of(Kind.MEAN);
            case 3 -> Optional.of(Kind.LAST);
            case 4 -> Optional.of(Kind.RANK);
            default ->
                throw metadata.problem(
                        key, "is " + type + "; supported: 0 (none), 1 (mean), 3 (last token), 4 (scores of documents)");
        };
    }
}
