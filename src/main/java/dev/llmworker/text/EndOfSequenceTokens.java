package dev.llmworker.text;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Set;

/// The tokens with which a model ends its answer. Files name one, as `eos_token_id`. Chat models also end their
/// turns with others that are known only by their names; the list is llama.cpp's.
public final class EndOfSequenceTokens {
    private static final Set<String> NAMES = Set.of(
            "<|im_end|>",
            "<|eot_id|>",
            "<|eom_id|>",
            "<|end|>",
            "<|return|>",
            "<|call|>",
            "<|calls|>",
            "<|flush|>",
            "<|endoftext|>",
            "<|end_of_text|>",
            "<end_of_turn>",
            "<end_of_utterance>",
            "<turn|>",
            "<|tool_response>",
            "</s>",
            "<eos>",
            "<EOT>",
            "_<EOT>",
            "[EOT]",
            "[EOS]",
            "[e~[",
            "<｜end▁of▁sentence｜>",
            // A code model starts another file with these: it has finished this one.
            "<|fim_pad|>",
            "<fim-pad>",
            "<fim_pad>",
            "<PAD>",
            "[PAD]",
            "<|fim_repo|>",
            "<|repo_name|>",
            "<fim-repo>",
            "<REPO>",
            "<reponame>",
            "<|file_sep|>");
    private static final List<String> KEYS = List.of(
            "tokenizer.ggml.eos_token_id",
            "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id",
            "tokenizer.ggml.fim_pad_token_id",
            "tokenizer.ggml.fim_rep_token_id",
            "tokenizer.ggml.fim_sep_token_id");

    private EndOfSequenceTokens() {}

    /// The tokens that the file names by id.
    ///
    /// @throws ModelFileException if a key names a token that does not exist
    static BitSet byKey(Metadata metadata, int vocabularySize) throws ModelFileException {
        var ids = new BitSet();
        for (var key : KEYS) {
            Vocabulary.special(metadata, key, vocabularySize).ifPresent(ids::set);
        }
        return ids;
    }

    /// The tokens that are recognised by their names.
    public static BitSet byName(List<String> names) {
        var found = new HashMap<String, Integer>();
        for (var id = 0; id < names.size(); id++) {
            if (NAMES.contains(names.get(id))) {
                found.put(names.get(id), id);
            }
        }
        // Models with these tokens use `<|end|>` for the end of a part of the answer only.
        var present = found.keySet();
        if (present.containsAll(Set.of("<|return|>", "<|call|>"))
                || present.containsAll(Set.of("<|flush|>", "<|calls|>"))) {
            found.remove("<|end|>");
        }
        // Gemma's vocabularies have HTML's tags as tokens: this one ends a text that is struck out.
        if (present.contains("<end_of_turn>") || present.contains("<turn|>")) {
            found.remove("</s>");
        }
        var ids = new BitSet();
        found.values().forEach(ids::set);
        return ids;
    }
}
