package dev.llmworker.testing;

/// Events of a chat as servers of OpenAI's API write them.
public final class ChatEvents {
    private ChatEvents() {}

    /// @param choices JSON, one or several
    public static String of(String choices) {
        return "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":["
                + choices + "]}";
    }

    public static String delta(String text) {
        return of("{\"index\":0,\"delta\":{\"content\":\"" + text + "\"},\"finish_reason\":null}");
    }

    public static String end(String reason) {
        return of("{\"index\":0,\"delta\":{},\"finish_reason\":\"" + reason + "\"}");
    }

    public static String usage(int prompt, int completion) {
        var events = of("");
        return events.substring(0, events.length() - 1) + ",\"usage\":{\"prompt_tokens\":" + prompt
                + ",\"completion_tokens\":" + completion + ",\"total_tokens\":" + (prompt + completion) + "}}";
    }
}
