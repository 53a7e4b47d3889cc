package dev.llmworker.text.chat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.text.answer.ToolFormat;
import dev.llmworker.text.answer.ToolSchema;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;

/// Puts tools into the texts of a conversation, for templates that do not know them: what there is to call goes
/// into the system message, calls into the assistant's text, and their results into the user's.
final class PlainTools {
    private static final ObjectMapper JSON = new ObjectMapper();

    private PlainTools() {}

    /// With an instruction that describes the tools.
    ///
    /// @param hasSystem whether the template takes a system message
    static List<ChatMessage> described(
            List<ChatMessage> messages, List<Tool> tools, ToolFormat format, boolean hasSystem) {
        var instruction = new StringBuilder("You may call functions to help the user. The functions are:\n");
        for (var tool : tools) {
            var shown = new LinkedHashMap<String, Object>();
            shown.put("name", tool.name());
            shown.put("description", tool.description());
            shown.put("parameters", JSON.valueToTree(ToolSchema.plain(tool.parameters())));
            instruction.append(JSON.valueToTree(shown).toString()).append('\n');
        }
        instruction
                .append("To call a function, write its name and its arguments like this, and nothing after it:\n")
                .append(format.written(List.of(new ToolCall("1", "NAME", "{\"ARGUMENT\": \"VALUE\"}"))));
        var all = new ArrayList<>(messages);
        var at = all.isEmpty() || !all.getFirst().role().equals("system") ? -1 : 0;
        if (at < 0 && hasSystem) {
            all.addFirst(new ChatMessage("system", instruction.toString()));
            return all;
        }
        for (var i = 0; i < all.size() && at < 0; i++) {
            at = all.get(i).role().equals("user") ? i : -1;
        }
        if (at < 0) {
            all.addFirst(ChatMessage.user(instruction.toString()));
        } else if (at == 0 && all.getFirst().role().equals("system")) {
            all.set(0, all.getFirst().withContent(all.getFirst().content() + "\n\n" + instruction));
        } else {
            all.set(
                    at,
                    all.get(at).withContent(instruction + "\n\n" + all.get(at).content()));
        }
        return all;
    }

    /// With calls as the model writes them.
    static ChatMessage withWrittenCalls(ChatMessage message, ToolFormat format) {
        var written = format.written(message.toolCalls());
        return ChatMessage.assistant(
                message.content().isEmpty() ? written : message.content() + "\n" + written,
                message.reasoning(),
                List.of());
    }

    /// With the results of tools as messages of the user. Those that follow each other are one message.
    static List<ChatMessage> withResultsOfUser(List<ChatMessage> messages) {
        var all = new ArrayList<ChatMessage>();
        var results = new StringBuilder();
        for (var message : messages) {
            if (message.role().equals("tool")) {
                results.append(results.isEmpty() ? "" : "\n")
                        .append("<tool_response>\n")
                        .append(message.content())
                        .append("\n</tool_response>");
            } else {
                addResults(all, results);
                all.add(message);
            }
        }
        addResults(all, results);
        return all;
    }

    private static void addResults(List<ChatMessage> messages, StringBuilder results) {
        if (!results.isEmpty()) {
            messages.add(ChatMessage.user(results.toString()));
            results.setLength(0);
        }
    }
}
