/// From the messages of a conversation to a prompt.
@NullMarked
package dev.llmworker.text.chat;

import org.jspecify.annotations.NullMarked;
