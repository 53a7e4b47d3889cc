package dev.llmworker.text.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/// What is found out about real templates: those of a folder, such as `models/templates` of llama.cpp's source.
/// `mvn test -Dtest=RealTemplatesTest -DrealTemplates=FOLDER`
@EnabledIfSystemProperty(named = "realTemplates", matches = ".+")
class RealTemplatesTest {
    private static final Map<String, String> FORMATS = Map.ofEntries(
            Map.entry("Bielik-11B-v3.0-Instruct", "hermes"),
            Map.entry("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes"),
            Map.entry("Qwen-QwQ-32B", "hermes"),
            Map.entry("Qwen-Qwen2.5-7B-Instruct", "hermes"),
            Map.entry("Qwen-Qwen3-0.6B", "hermes"),
            // llama.cpp's copy knows no tools. The model's own template has xml_tools, and is hermes.
            Map.entry("HuggingFaceTB-SmolLM3-3B", "json"),
            Map.entry("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"),
            Map.entry("ibm-granite-granite-4.0", "hermes"),
            Map.entry("Qwen3-Coder", "qwen3-coder"),
            Map.entry("Qwen3.5-4B", "qwen3-coder"),
            Map.entry("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "qwen3-coder"),
            Map.entry("StepFun3.5-Flash", "qwen3-coder"),
            Map.entry("ByteDance-Seed-OSS", "seed"),
            Map.entry("GLM-4.6", "glm"),
            Map.entry("GLM-4.7-Flash", "glm-4.7"),
            Map.entry("deepseek-ai-DeepSeek-V3.1", "deepseek-v3.1"),
            Map.entry("deepseek-ai-DeepSeek-V3.2", "deepseek-v3.2"),
            Map.entry("deepseek-ai-DeepSeek-V4", "deepseek-v4"),
            Map.entry("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek-v3"),
            Map.entry("mistralai-Mistral-Nemo-Instruct-2407", "mistral"),
            Map.entry("Mistral-Small-3.2-24B-Instruct-2506", "mistral-ids"),
            Map.entry("mistralai-Ministral-3-14B-Reasoning-2512", "mistral-args"),
            Map.entry("unsloth-mistral-Devstral-Small-2507", "mistral-args"),
            Map.entry("moonshotai-Kimi-K2", "kimi"),
            Map.entry("Kimi-K2-Instruct", "kimi"),
            Map.entry("Kimi-K2-Thinking", "kimi"),
            Map.entry("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "cohere"),
            Map.entry("Cohere2MoE", "cohere"),
            Map.entry("LFM2-8B-A1B", "lfm2"),
            Map.entry("LFM2.5-8B-A1B", "lfm2"),
            Map.entry("LFM2.5-Instruct", "lfm2"),
            Map.entry("Apertus-8B-Instruct", "apertus"),
            Map.entry("meetkai-functionary-medium-v3.1", "functionary"),
            // docs/agents.md says why.
            Map.entry("CohereForAI-c4ai-command-r-plus-tool_use", "json"),
            Map.entry("meetkai-functionary-medium-v3.2", "json"),
            Map.entry("fireworks-ai-llama-3-firefunction-v2", "json"),
            Map.entry("MiniMax-M2", "minimax"),
            Map.entry("openai-gpt-oss-120b", "harmony"),
            Map.entry("ibm-granite-granite-3.3-2B-Instruct", "granite"),
            Map.entry("unsloth-Apriel-1.5", "apriel"),
            Map.entry("NVIDIA-Nemotron-Nano-v2", "nemotron"),
            Map.entry("meta-llama-Llama-3.1-8B-Instruct", "llama3"),
            Map.entry("meta-llama-Llama-3.2-3B-Instruct", "llama3"),
            Map.entry("meta-llama-Llama-3.3-70B-Instruct", "llama3"),
            Map.entry("google-gemma-4-31B-it", "gemma4"),
            Map.entry("microsoft-Phi-3.5-mini-instruct", "json"),
            Map.entry("google-gemma-2-2b-it", "json"));

    @Test
    void theFormatOfEachIsFound() throws Exception {
        var wrong = new ArrayList<String>();
        var found = new TreeMap<String, String>();
        try (var files = Files.list(Path.of(System.getProperty("realTemplates")))) {
            for (var file : files.filter(path -> path.toString().endsWith(".jinja"))
                    .sorted()
                    .toList()) {
                var name = file.getFileName().toString().replace(".jinja", "");
                try {
                    var template = JinjaChatTemplate.of(
                            Files.readString(file),
                            Map.of("bos_token", "<s>", "eos_token", "</s>"),
                            JinjaChatTemplate.AUTO);
                    found.put(name, template.forms().tools().name() + (template.knowsTools() ? "" : ", described"));
                    var expected = FORMATS.get(name);
                    if (expected != null
                            && !expected.equals(template.forms().tools().name())) {
                        wrong.add(name + ": " + template.forms().tools().name() + " for " + expected);
                    }
                    conversation(name, template, wrong);
                } catch (RuntimeException e) {
                    found.put(name, e.toString());
                    if (FORMATS.containsKey(name)) {
                        wrong.add(name + ": " + e);
                    }
                }
            }
        }
        found.forEach((name, format) -> System.out.println(name + ": " + format));
        assertTrue(found.size() > 10, "no templates in the folder");
        assertEquals(List.of(), wrong);
    }

    /// A conversation with a call and its result, and what the user gets to see of it.
    private static void conversation(String name, ChatTemplate template, List<String> wrong) {
        var tool = new Tool(
                "find_it",
                "described",
                "{\"type\":\"object\",\"properties\":{\"what\":{\"type\":\"string\",\"description\":\"d\"}}}",
                false);
        var messages = List.of(
                ChatMessage.user("question"),
                ChatMessage.assistant(
                        "", "", List.of(new ToolCall("call_1234567890", "find_it", "{\"what\":\"this\"}"))),
                ChatMessage.toolResult("call_1234567890", "", "the result"),
                ChatMessage.assistant("the answer", "", List.of()),
                ChatMessage.user("again"));
        try {
            var text = template.render(messages, List.of(tool), Map.of());
            for (var part : List.of("find_it", "described", "question", "this", "the result", "the answer", "again")) {
                if (!text.contains(part)) {
                    wrong.add(name + ": no " + part);
                }
            }
        } catch (IllegalArgumentException e) {
            wrong.add(name + ": "
                    + Objects.requireNonNull(e.getMessage()).lines().findFirst().orElse(""));
        }
    }
}
