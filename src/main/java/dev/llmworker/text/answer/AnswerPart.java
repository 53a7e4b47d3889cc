package dev.llmworker.text.answer;

/// A piece of an answer, in the order in which the model writes. Pieces of the same kind that follow each other are
/// one text.
public sealed interface AnswerPart {
    /// Text for the user.
    record Content(String text) implements AnswerPart {}

    /// What the model thinks before it answers.
    record Reasoning(String text) implements AnswerPart {}

    /// A call of a tool begins. Its arguments follow before any other part.
    ///
    /// @param index counts the calls of the answer, from 0
    /// @param id new for each call
    record CallStart(int index, String id, String name) implements AnswerPart {}

    /// More of the arguments of a call that has begun.
    ///
    /// @param json a piece of a JSON object. It may be cut anywhere between two characters
    record CallArguments(int index, String json) implements AnswerPart {}

    /// The length of its texts.
    default int characters() {
        return switch (this) {
            case Content(var text) -> text.length();
            case Reasoning(var text) -> text.length();
            case CallStart(var _, var id, var name) -> id.length() + name.length();
            case CallArguments(var _, var json) -> json.length();
        };
    }
}
