package dev.llmworker.text;

import java.util.Map;
import java.util.OptionalInt;

/// Between text and the token ids of one model.
///
/// Control tokens steer the model: they begin and end turns and sequences. They have names, such as `<|im_end|>`, but
/// no text: a name in a user's words must not act.
///
/// Threading: any thread.
public interface Tokenizer {
    /// The ids of plain text. Names of control tokens in it are plain text too, so that nobody can forge a turn. A lone
    /// surrogate is encoded as U+FFFD.
    int[] encodeText(String text);

    /// As [#encodeText(String)], for text that goes on after a control token. It is another matter where a tokenizer
    /// puts a space before the first text only.
    default int[] encodeFurtherText(String text) {
        return encodeText(text);
    }

    /// As [#encodeText(String)], but names of control tokens become those tokens: for prompts that are sent raw.
    int[] encodeWithControlTokens(String text);

    /// The fewest tokens that `text` can be as plain text, found at once; 0 where nothing is known without encoding it.
    default int fewestTokens(String text) {
        return 0;
    }

    /// The bytes that a token stands for, often a part of a character; none for a control token.
    ///
    /// @param id from 0 to `vocabularySize() - 1`
    byte[] bytes(int id);

    /// Whether the model ends its answer by this token.
    boolean isEndOfSequence(int id);

    /// Ids are 0 to this, exclusive.
    int vocabularySize();

    /// The token that the model wants before each prompt, if it wants one.
    OptionalInt beginOfSequence();

    /// The ids of the control tokens by name.
    Map<String, Integer> controlTokens();

    /// Whether a space is put before each text as it is encoded, to be dropped as it is decoded.
    default boolean addsLeadingSpace() {
        return false;
    }
}
