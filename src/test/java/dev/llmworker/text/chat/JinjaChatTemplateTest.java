package dev.llmworker.text.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.text.jinja.JinjaException;
import dev.llmworker.text.jinja.JinjaTemplate;
import java.util.List;
import org.junit.jupiter.api.Test;

class JinjaChatTemplateTest {
    private static String render(String template, String content) {
        return new JinjaChatTemplate(JinjaTemplate.parse(template), "<s>", "</s>")
                .render(List.of(ChatMessage.user(content)), true);
    }

    @Test
    void messagesThatNeedTooMuchWorkAreTheClientsFault() {
        var quadratic = "{% for a in messages[0].content %}{% for b in messages[0].content %}{% endfor %}{% endfor %}";
        assertEquals("", render(quadratic, "x"));
        var refused = assertThrows(IllegalArgumentException.class, () -> render(quadratic, "x".repeat(2_000)));
        assertEquals(
                "the messages need too much work: rendering takes more than 1000000 steps, the limit",
                refused.getMessage());
    }

    @Test
    void aFaultOfTheTemplateIsNotTheClients() {
        assertThrows(JinjaException.class, () -> render("{{ nothing.here }}", "x"));
        var refused =
                assertThrows(IllegalArgumentException.class, () -> render("{{ raise_exception('no tools') }}", "x"));
        assertEquals("the model's chat template rejects the messages: no tools", refused.getMessage());
    }
}
