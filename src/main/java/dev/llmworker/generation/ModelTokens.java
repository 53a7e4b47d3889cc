package dev.llmworker.generation;

import dev.llmworker.text.tools.Tool;
import java.util.List;
import java.util.concurrent.Future;

/// A generator that has its model's tokenizer. Others know only how many tokens a prompt had, once it is answered.
///
/// Threading: any thread.
public interface ModelTokens {
    /// Where the model begins to read a text.
    enum Beginning {
        /// Tokens that the tokenizer puts round each prompt are added.
        PROMPT,
        /// Nothing is added.
        TEXT
    }

    /// The tokens of a prompt, which may be longer than the context.
    ///
    /// @param beginning of a raw prompt; a conversation has what its template writes
    /// @param tools that a conversation offers the model
    /// @return fails with a [RefusedException] if the chat template rejects the conversation. To cancel it ends the
    ///     work
    /// @throws RefusedException if the model is not loaded, or too many prompts wait to be encoded
    Future<int[]> encode(Prompt prompt, Beginning beginning, List<Tool> tools);

    /// The text of some tokens; control tokens by their names. Bytes that are no character become U+FFFD.
    ///
    /// @throws RefusedException if the model is not loaded, or does not have one of the tokens
    String decode(List<Integer> tokens);

    /// How many bytes of UTF-8 [#decode] makes of some tokens, bytes that are no character counted as they are.
    ///
    /// @throws RefusedException as [#decode]
    long textBytes(List<Integer> tokens);

    /// How many tokens a prompt and its answer may have together.
    ///
    /// @throws RefusedException if the model is not loaded
    int contextLength();
}
