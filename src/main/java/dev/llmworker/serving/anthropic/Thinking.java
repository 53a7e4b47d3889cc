package dev.llmworker.serving.anthropic;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// Whether the model thinks before it answers, and what the client sees of it: the field `thinking`. Without it the
/// model does not think.
///
/// @param mode null lets the model decide
/// @param budgetTokens the most tokens of reasoning; empty for no limit
/// @param isShown whether blocks of thinking come with their text
record Thinking(@Nullable Boolean mode, OptionalInt budgetTokens, boolean isShown) {
    static final String FIELD = "thinking";

    private static final String BUDGET = "budget_tokens";
    private static final Thinking OFF = new Thinking(false, OptionalInt.of(0), false);
    private static final int LEAST_BUDGET_TOKENS = 1024;

    /// Whether the answer may have blocks of thinking.
    boolean isOn() {
        return mode == null || mode;
    }

    /// @param maxTokens of the answer
    /// @throws RequestException naming the member, its value and its limit
    static Thinking read(RequestFields fields, int maxTokens) {
        var asked = fields.object(FIELD);
        if (asked.isEmpty()) {
            return OFF;
        }
        var members = new RequestFields(asked);
        var type = ChatMessages.within(FIELD, () -> members.text("type"));
        var isShown = isShown(members);
        if (!type.equals("enabled") && members.has(BUDGET)) {
            throw RequestException.invalid(
                    FIELD + "." + BUDGET, FIELD + "." + BUDGET + " needs " + FIELD + ".type to be enabled");
        }
        return switch (type) {
            case "disabled" -> OFF;
            case "adaptive" -> new Thinking(null, OptionalInt.empty(), isShown);
            case "enabled" -> new Thinking(true, OptionalInt.of(budget(members, maxTokens)), isShown);
            default -> throw RequestFields.wrong(FIELD + ".type", type, "enabled, disabled or adaptive");
        };
    }

    private static boolean isShown(RequestFields members) {
        var display = ChatMessages.within(FIELD, () -> members.textOrNull("display"));
        return switch (display) {
            case null -> true;
            case "summarized" -> true;
            case "omitted" -> false;
            default -> throw RequestFields.wrong(FIELD + ".display", display, "summarized or omitted");
        };
    }

    private static int budget(RequestFields members, int maxTokens) {
        var place = FIELD + "." + BUDGET;
        var budget = ChatMessages.within(FIELD, () -> members.whole(BUDGET))
                .orElseThrow(() -> RequestException.invalid(
                        place, place + " is missing; it must be a whole number of at least " + LEAST_BUDGET_TOKENS));
        if (budget < LEAST_BUDGET_TOKENS || budget >= maxTokens) {
            throw RequestFields.wrong(
                    place,
                    budget,
                    "at least " + LEAST_BUDGET_TOKENS + " and less than max_tokens, which is " + maxTokens);
        }
        return budget;
    }

    /// Tells the chat template, which may know it by either name.
    ///
    /// @param written the variables that the client wrote
    /// @return those that it did not write
    Map<String, Object> told(Map<String, ?> written) {
        var told = new LinkedHashMap<String, Object>();
        if (mode != null) {
            told.put("enable_thinking", mode);
            told.put(FIELD, mode);
        }
        told.keySet().removeAll(written.keySet());
        return told;
    }
}
