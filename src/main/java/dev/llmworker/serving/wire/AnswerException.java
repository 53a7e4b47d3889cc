package dev.llmworker.serving.wire;

/// A generated text that is not what its route asks the model for. Routes name it in `onException`, to ask again.
public final class AnswerException extends RuntimeException {
    public AnswerException(String message) {
        super(message, null, false, false);
    }
}
