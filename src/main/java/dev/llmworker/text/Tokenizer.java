package dev.llmworker.text;

import java.util.Map;
import java.util.OptionalInt;

/// Converts between text and the token ids of one model.
///
/// Control tokens steer the model: they begin and end turns and sequences. They have names, such as `<|im_end|>`,
/// but no text. Such a name in a user's words must have no effect.
///
/// Threading: any thread.
public interface Tokenizer {
    /// The ids of plain text. Names of control tokens in it are plain text too, so that nobody can forge a turn.
    /// A lone surrogate is encoded as U+FFFD.
    int[] encodeText(String text);

    /// Like [#encodeText(String)], but names of control tokens become those tokens. For raw prompts.
    int[] encodeWithControlTokens(String text);

    /// Like [#encodeWithControlTokens], but a name that has `mark` before it is plain text. For chat templates with
    /// messages in them.
    ///
    /// @param mark is not part of the text
    int[] encodeMarked(String text, char mark);

    /// A lower bound on the token count of `text` as plain text, found quickly; 0 if none is known without
    /// encoding it.
    default int fewestTokens(String text) {
        return 0;
    }

    /// The bytes of a token, often part of a character; empty for a control token.
    ///
    /// @param id from 0 to `vocabularySize() - 1`
    byte[] bytes(int id);

    /// Whether the model ends its answer with this token.
    boolean isEndOfSequence(int id);

    /// The number of token ids, which start at 0.
    int vocabularySize();

    /// The token that the model needs before each prompt, if any.
    OptionalInt beginOfSequence();

    /// The token that the tokenizer puts after each raw prompt, if any.
    default OptionalInt endOfRawPrompt() {
        return OptionalInt.empty();
    }

    /// The ids of the control tokens, by name.
    Map<String, Integer> controlTokens();

    /// Whether encoding puts a space before each text, which decoding must drop.
    default boolean addsLeadingSpace() {
        return false;
    }
}
