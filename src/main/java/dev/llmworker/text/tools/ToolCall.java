package dev.llmworker.text.tools;

import java.util.concurrent.ThreadLocalRandom;

/// A call of a tool that an assistant made earlier in a conversation.
///
/// @param id ties the call to its result
/// @param arguments a JSON object as text
public record ToolCall(String id, String name, String arguments) {
    private static final String ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    /// Some templates accept ids of this length only.
    private static final int ID_LENGTH = 9;

    /// A random id for a call.
    public static String newId() {
        return ThreadLocalRandom.current()
                .ints(ID_LENGTH, 0, ID_LETTERS.length())
                .collect(StringBuilder::new, (id, i) -> id.append(ID_LETTERS.charAt(i)), StringBuilder::append)
                .toString();
    }

    public static boolean isOfId(char letter) {
        return ID_LETTERS.indexOf(letter) >= 0;
    }
}
